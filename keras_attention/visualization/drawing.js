// Colours and canvases.

let drawn = null; // a canvas with a dot for each weight

// What weights above and below zero are drawn in: red, green and blue.
function inks() {
  const style = getComputedStyle(document.documentElement);
  return ["--positive", "--negative"].map((name) =>
    style.getPropertyValue(name).split(",").map(Number),
  );
}

function background([positive, negative], weight, largest, cap) {
  const ink = weight < 0 ? negative : positive;
  const alpha = largest ? (cap * Math.abs(weight)) / largest : 0;
  return `rgba(${ink.join(", ")}, ${alpha.toFixed(3)})`;
}

// Makes each dot as dense as its share, from 0 to 1, of the largest.
function putDots(canvas, width, height, inkAt, shareAt) {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = inkAt(i);
    image.data[4 * i] = red;
    image.data[4 * i + 1] = green;
    image.data[4 * i + 2] = blue;
    image.data[4 * i + 3] = 255 * shareAt(i);
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawThumbnail(canvas, ink, found, pixels, head) {
  const [height, width] = found.thumbnail_shape;
  if (!width || !height) return;
  const start = head * width * height;
  const share = (i) => pixels[start + i] / 255;
  putDots(canvas, width, height, () => ink, share);
}

// Draws all weights of the head, queries down.
function drawMatrix() {
  const [, queries, keys] = layer().shape;
  const canvas = element("matrix");
  const longest = Math.max(queries, keys, 1);
  const cell = Math.max(1, Math.min(24, Math.floor(900 / longest)));
  canvas.width = Math.max(1, keys * cell);
  canvas.height = Math.max(1, queries * cell);
  drawn = null;
  if (!queries || !keys) return;
  drawn = document.createElement("canvas");
  const [positive, negative] = inks();
  const largest = largestOf(weights) || 1;
  putDots(
    ...[drawn, keys, queries],
    (i) => (weights[i] < 0 ? negative : positive),
    (i) => Math.abs(weights[i]) / largest,
  );
}

// Draws the matrix, and a frame at the chosen token.
function frameToken() {
  const [, queries, keys] = layer().shape;
  const canvas = element("matrix");
  const context = canvas.getContext("2d");
  if (!drawn) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(drawn, 0, 0, canvas.width, canvas.height);
  const cell = [canvas.width / keys, canvas.height / queries];
  const style = getComputedStyle(document.documentElement);
  context.strokeStyle = style.getPropertyValue("--ring");
  context.lineWidth = Math.max(1, canvas.width / 300);
  const place = state.token;
  if (state.side === "queries") {
    context.strokeRect(0, place * cell[1], canvas.width, cell[1]);
  } else {
    context.strokeRect(place * cell[0], 0, cell[0], canvas.height);
  }
}
