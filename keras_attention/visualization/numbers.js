"use strict";
// What is packed in the page, as numbers.

const HALVES = (() => {
  // Every half-precision number by its bits.
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
})();

function bytes(text) {
  const binary = atob(text);
  const array = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) array[i] = binary.charCodeAt(i);
  return array;
}

async function halves(text) {
  const stream = new Blob([bytes(text)])
    .stream()
    .pipeThrough(new DecompressionStream("deflate"));
  return new Uint16Array(await new Response(stream).arrayBuffer());
}

// The weights of a head, or of the mean of all, query after query.
function headWeights(layer, bits, head) {
  const [heads, queries, keys] = layer.shape;
  const size = queries * keys;
  const found = new Float32Array(size);
  const chosen = head === "mean" ? [...Array(heads).keys()] : [head];
  for (const each of chosen) {
    const start = each * size;
    for (let i = 0; i < size; i++) found[i] += HALVES[bits[start + i]];
  }
  if (chosen.length > 1) {
    for (let i = 0; i < size; i++) found[i] /= chosen.length;
  }
  return found;
}

function entropyOf(weights) {
  let sum = 0;
  for (const weight of weights) sum += Math.abs(weight);
  let bits = 0;
  for (const weight of weights) {
    const share = Math.abs(weight) / sum;
    if (share > 0) bits -= share * Math.log2(share);
  }
  return bits;
}

function largestOf(weights) {
  let largest = 0;
  for (const weight of weights) largest = Math.max(largest, Math.abs(weight));
  return largest;
}

// The places of the largest weights, largest first.
function strongest(weights, count) {
  return [...weights.keys()]
    .filter((i) => weights[i] !== 0)
    .sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]))
    .slice(0, count);
}
