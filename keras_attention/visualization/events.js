// What the mouse, fingers and the keyboard do.

function listen() {
  element("row").addEventListener("change", ({ target }) => {
    state.row = Number(target.value);
    update("row");
  });
  element("layer").addEventListener("change", ({ target }) =>
    chooseLayer(Number(target.value)),
  );
  element("direction").addEventListener("click", turn);
  element("heads").addEventListener("click", ({ target }) => {
    const { head } = target.closest("button")?.dataset ?? {};
    if (head) chooseHead(head === "mean" ? head : Number(head));
  });
  element("overview").addEventListener("click", ({ target }) => {
    const { layer, head } = target.closest("button")?.dataset ?? {};
    if (!head) return;
    state.head = Number(head);
    chooseLayer(Number(layer));
  });
  for (const side of ["queries", "keys"]) {
    for (const kind of ["pointerover", "focusin", "click"]) {
      element(side).addEventListener(kind, ({ target }) => {
        const { token } = target.dataset;
        if (token) chooseToken(side, Number(token));
      });
    }
  }
  for (const kind of ["pointermove", "pointerdown"]) {
    element("matrix").addEventListener(kind, pointAtMatrix);
  }
  document.addEventListener("keydown", press);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", () => update("colours"));
}

function pointAtMatrix(event) {
  const [, queries, keys] = layer().shape;
  if (!queries || !keys) return; // a row of padding alone
  const box = event.target.getBoundingClientRect();
  const place = (at, start, size, count) =>
    Math.max(Math.min(Math.floor((count * (at - start)) / size), count - 1), 0);
  const query = place(event.clientY, box.top, box.height, queries);
  const key = place(event.clientX, box.left, box.width, keys);
  chooseToken(state.side, state.side === "queries" ? query : key);
  const names = [tokensOf("queries")[query], tokensOf("keys")[key]];
  const weight = weights[query * keys + key].toFixed(3);
  event.target.title = `${names.map(readable).join(" → ")} ${weight}`;
}

function press(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (target.tagName === "SELECT") return;
  if (key === "d") return turn();
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[key];
  const side = target.closest(".tokens")?.id;
  const sideways = key === "ArrowLeft" || key === "ArrowRight";
  if (side && (sideways || key === "Home" || key === "End")) {
    event.preventDefault();
    moveToken(side, Number(target.dataset.token), key, step);
  } else if (sideways) {
    event.preventDefault();
    moveHead(target, step);
  } else if (step && target !== document.body) {
    event.preventDefault(); // else the page scrolls away from what has focus
    moveLayer(target, step);
  }
}

function moveToken(side, token, key, step) {
  const last = elements[side].length - 1;
  const wanted = { Home: 0, End: last }[key] ?? token + step;
  elements[side][Math.max(Math.min(wanted, last), 0)].focus();
}

async function moveHead(target, step) {
  const names = headNames();
  const at = names.indexOf(state.head) + step;
  await chooseHead(names[(at + names.length) % names.length]);
  refocus(target);
}

async function moveLayer(target, step) {
  const count = DATA.layers.length;
  const side = target.closest(".tokens")?.id;
  await chooseLayer((state.layer + step + count) % count);
  if (side) elements[side][state.side === side ? state.token : 0]?.focus();
  else refocus(target);
}

// Lets the focus follow what is chosen among heads or small pictures.
function refocus(target) {
  for (const id of ["heads", "overview"]) {
    const inside = target.closest(`#${id}`) || (!target.isConnected && id === "heads");
    if (inside) {
      element(id).querySelector('[tabindex="0"]')?.focus();
      return;
    }
  }
}

start();
