const DATA = JSON.parse(document.getElementById("data").textContent);
const STRONGEST = 5;
const element = (id) => document.getElementById(id);
const other = (side) => (side === "queries" ? "keys" : "queries");

const state = {
  row: 0,
  layer: Math.max(DATA.layers.findIndex((layer) => layer.across), 0),
  head: 0,
  side: "queries", // where the chosen token stands
  token: 0,
};
let weights = new Float32Array(0); // of the chosen head
const unpacked = new Map();
const elements = { queries: [], keys: [] };

const row = () => DATA.rows[state.row];
const layer = () => row().layers[state.layer];
const tokensOf = (side) => row().tokens[layer()[side]];
const headNames = () => [...Array(layer().shape[0]).keys(), "mean"];

function unpack() {
  const key = `${state.row} ${state.layer}`;
  if (!unpacked.has(key)) unpacked.set(key, halves(layer().weights));
  return unpacked.get(key);
}

function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  return made;
}

function readable(token) {
  return token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").trim() || "␣";
}

// Words stand apart; what goes on with a word stands close to it.
function startsWord(token, all) {
  const marked = all.some((each) => each.startsWith(" "));
  return !marked || token.startsWith(" ") || /^<.*>$/.test(token);
}

// What a token on one side gives to or gets from each of the other side.
function weightsOf(side, token) {
  const [, queries, keys] = layer().shape;
  if (side === "queries") {
    return weights.subarray(token * keys, (token + 1) * keys);
  }
  const found = new Float32Array(queries);
  for (let i = 0; i < queries; i++) found[i] = weights[i * keys + token];
  return found;
}

function makeTokens(side) {
  const tokens = tokensOf(side);
  elements[side] = tokens.map((token, i) => {
    const made = make("span", readable(token), {
      role: "option",
      tabindex: "-1",
      "aria-selected": "false",
      "data-token": i,
    });
    if (startsWord(token, tokens)) made.classList.add("word");
    return made;
  });
  element(side).replaceChildren(...elements[side]);
}

function makeHeads() {
  const made = headNames().map((head) => {
    const name = head === "mean" ? "Mean" : `${head}`;
    return make("button", name, {
      type: "button",
      role: "radio",
      "data-head": head,
      "aria-label": head === "mean" ? "Mean of heads" : `Head ${head}`,
    });
  });
  element("heads").replaceChildren(...made);
}

// A path that may go on in the next line behind a part of it.
function breakable(path) {
  const made = make("span", "", { class: "name" });
  for (const part of path.split(/(?<=[/_])/)) {
    made.append(part, document.createElement("wbr"));
  }
  return made;
}

function makeOverview() {
  const [ink] = inks();
  const lines = row().layers.map((found, index) => {
    const line = make("div", "", { class: "line" });
    const { name } = DATA.layers[index];
    line.append(breakable(name));
    const pixels = bytes(found.thumbnails);
    for (let head = 0; head < found.shape[0]; head++) {
      const entropy = found.entropy[head].toFixed(2);
      const button = make("button", "", {
        type: "button",
        "data-layer": index,
        "data-head": head,
        "aria-label": `${name}, head ${head}, entropy ${entropy} bits`,
        title: `${name}, head ${head}`,
      });
      const canvas = make("canvas", "", { "aria-hidden": "true" });
      drawThumbnail(canvas, ink, found, pixels, head);
      button.append(canvas, entropy);
      line.append(button);
    }
    return line;
  });
  element("overview").replaceChildren(...lines);
}

function markChosen() {
  element("row").value = state.row;
  element("layer").value = state.layer;
  for (const button of element("heads").children) {
    const chosen = button.dataset.head === String(state.head);
    button.setAttribute("aria-checked", chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
  const cells = [...element("overview").querySelectorAll("button")];
  const isChosen = (cell) =>
    cell.dataset.layer === String(state.layer) &&
    cell.dataset.head === String(state.head);
  const first = cells.find(isChosen) || cells[0];
  for (const cell of cells) {
    cell.setAttribute("aria-pressed", isChosen(cell));
    cell.tabIndex = cell === first ? 0 : -1;
  }
}

function describe(found, places) {
  const status = element("status");
  const across = tokensOf(other(state.side));
  const looks = state.side === "queries";
  const verb = looks ? " looks at " : " is looked at by ";
  const chosen = readable(tokensOf(state.side)[state.token] ?? "");
  const parts = [make("b", chosen), places.length ? verb : `${verb}nothing`];
  places.forEach((place, i) => {
    parts.push(i ? ", " : "", make("b", readable(across[place])));
    parts.push(` ${found[place].toFixed(3)}`);
  });
  if (looks && places.length) {
    const most = Math.log2(found.length).toFixed(2);
    const bits = entropyOf(found).toFixed(2);
    parts.push(" ", make("span", `entropy ${bits} of at most ${most} bits`, {
      class: "entropy",
    }));
  }
  status.replaceChildren(...parts);
}

// Without the 0 before the point, so that it fits below a narrow token.
function short(weight) {
  return weight.toFixed(2).replace(/^(-?)0/, "$1");
}

// Paints where the chosen token looks, or who looks at it.
function show() {
  const facing = other(state.side);
  const found = weightsOf(state.side, state.token);
  const largest = largestOf(found);
  const places = strongest(found, STRONGEST);
  const numbered = new Set(places);
  // Not so dense that the text on it could not be read.
  const cap = matchMedia("(prefers-color-scheme: dark)").matches ? 0.6 : 0.7;
  const ink = inks();
  elements[facing].forEach((token, i) => {
    token.style.backgroundColor = background(ink, found[i], largest, cap);
    token.classList.toggle("strong", numbered.has(i));
    if (numbered.has(i)) token.dataset.weight = short(found[i]);
    else delete token.dataset.weight;
    token.setAttribute("aria-selected", "false");
    token.tabIndex = i === 0 ? 0 : -1;
  });
  elements[state.side].forEach((token, i) => {
    const chosen = i === state.token;
    token.style.backgroundColor = "";
    token.classList.remove("strong");
    delete token.dataset.weight;
    token.setAttribute("aria-selected", chosen);
    token.tabIndex = chosen ? 0 : -1;
  });
  const direction = element("direction");
  const looks = state.side === "queries";
  direction.textContent = looks ? "Query → key" : "Key → query";
  direction.setAttribute("aria-pressed", !looks);
  direction.setAttribute(
    "aria-label",
    looks ? "Direction: where a query looks" : "Direction: who looks at a key",
  );
  frameToken();
  describe(found, places);
}

let latest = 0;

// Shows what the state says; `what` has changed.
async function update(what) {
  const mine = ++latest;
  const bits = await unpack();
  if (mine !== latest) return;
  const [heads, queries, keys] = layer().shape;
  if (state.head !== "mean") state.head = Math.min(state.head, heads - 1);
  weights = headWeights(layer(), bits, state.head);
  if (what === "row" || what === "layer") {
    makeTokens("queries");
    makeTokens("keys");
    makeHeads();
    const length = state.side === "queries" ? queries : keys;
    state.token = Math.max(Math.min(state.token, length - 1), 0);
  }
  if (what === "row" || what === "colours") makeOverview();
  markChosen();
  drawMatrix();
  show();
  document.body.dataset.ready = `${state.row} ${state.layer} ${state.head}`;
}

function chooseHead(head) {
  state.head = head;
  return update("head");
}

function chooseLayer(index) {
  state.layer = index;
  return update("layer");
}

function chooseToken(side, token) {
  if (state.side === side && state.token === token) return;
  Object.assign(state, { side, token });
  show();
}

function turn() {
  const facing = other(state.side);
  const last = elements[facing].length - 1;
  state.token = Math.max(Math.min(state.token, last), 0);
  state.side = facing;
  show();
}

function start() {
  const options = DATA.rows.map(({ number, tokens, layers }, i) => {
    const text = tokens[layers[state.layer].keys].map((token) =>
      startsWord(token, tokens[layers[state.layer].keys]) && !/^ /.test(token)
        ? ` ${token}`
        : token,
    );
    const label = text.join("").trim().slice(0, 60);
    return make("option", `${number}: ${label}`, { value: i });
  });
  element("row").replaceChildren(...options);
  element("row-field").hidden = options.length < 2;
  element("layer").replaceChildren(
    ...DATA.layers.map(({ name }, i) => make("option", name, { value: i })),
  );
  element("skipped").textContent = Object.entries(DATA.skipped)
    .map(([name, why]) => `${name}: ${why}`)
    .join(" ");
  if (typeof DecompressionStream === "undefined") {
    element("status").textContent =
      "This page needs a browser of 2023 or later, which can decompress.";
    return;
  }
  listen();
  update("row");
}
