'use strict';
/*
 * pairs.js - runs the sides of a comparison in turn: A B A B ... Only sides that can run take part.
 */
const { peers, peerSees } = require('./setting.js');

/*
 * sides: { rbee: async () => value, llama: ..., node: ... }. A value is a number, or an object of
 * numbers when one run gives several figures. Returns one object of values for each pair.
 */
async function inTurn(n, sides) {
  const samples = [];
  for (let i = 0; i < n; i++) {
    const sample = {};
    for (const [name, measure] of Object.entries(sides)) sample[name] = await measure(i);
    samples.push(sample);
  }
  return samples;
}

/* The sides of those peers that are there and can see the model. */
function present(sides, model) {
  return Object.fromEntries(Object.entries(sides).filter(([name]) => name === 'rbee'
    || ((peers[name] !== '') && peerSees(model))));
}

/* One figure of samples whose values are objects. */
const pick = (samples, figure) => samples.map((sample) => Object.fromEntries(
  Object.entries(sample).filter(([, v]) => v[figure] !== undefined).map(([name, v]) => [name, v[figure]])));

module.exports = { inTurn, present, pick };
