// Colours and canvases.

let drawn = null; // a canvas with a dot for each weight

function colour(weight, largest, cap) {
  const style = getComputedStyle(document.documentElement);
  const name = weight < 0 ? "--negative" : "--positive";
  const alpha = largest ? (cap * Math.abs(weight)) / largest : 0;
  return `rgba(${style.getPropertyValue(name)}, ${alpha.toFixed(3)})`;
}

function drawThumbnail(canvas, found, pixels, head) {
  const [height, width] = found.thumbnail_shape;
  const rgb = getComputedStyle(document.documentElement)
    .getPropertyValue("--positive")
    .split(",")
    .map(Number);
  canvas.width = width;
  canvas.height = height;
  if (!width || !height) return;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    image.data.set([...rgb, pixels[head * width * height + i]], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function drawMatrix() {
  const [, queries, keys] = layer().shape;
  const canvas = element("matrix");
  const longest = Math.max(queries, keys, 1);
  const cell = Math.max(1, Math.min(24, Math.floor(900 / longest)));
  canvas.width = Math.max(1, keys * cell);
  canvas.height = Math.max(1, queries * cell);
  drawn = null;
  const largest = largestOf(weights);
  const style = getComputedStyle(document.documentElement);
  const rgb = ["--positive", "--negative"].map((name) =>
    style.getPropertyValue(name).split(",").map(Number),
  );
  if (queries && keys) {
    const image = new ImageData(keys, queries);
    for (let i = 0; i < weights.length; i++) {
      const share = largest ? Math.abs(weights[i]) / largest : 0;
      image.data.set([...rgb[weights[i] < 0 ? 1 : 0], 255 * share], 4 * i);
    }
    const small = make("canvas", "", { width: keys, height: queries });
    small.getContext("2d").putImageData(image, 0, 0);
    drawn = small;
  }
}

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
