'use strict';
/*
 * rows.js - every measurement, in the order of the table, with its target: ratios of rbee to the peer
 * (for times and sizes smaller is better).
 */
const { roof } = require('./roof.js');
const { prefill, decode, batch, depth, busy } = require('./speed.js');
const { clients, prefix, resident } = require('./serve.js');
const { fromStart, keeper } = require('./begin.js');
const { gateway } = require('./gateway.js');
const { download } = require('./download.js');

module.exports = [
  roof(1), roof(2),
  ...['tl-Q4_0', 'tl-Q4_K_M', 'tl-Q5_K_M', 'tl-Q6_K'].flatMap(
    (model) => [prefill(model, 128, '>= 2.5'), prefill(model, 512, '>= 2.5')]),
  ...['tl-Q8_0', 'tl-f16'].flatMap(
    (model) => [prefill(model, 128, '>= 2', true), prefill(model, 512, '>= 2', true)]),
  ...['tl-Q4_0', 'tl-Q4_K_M', 'tl-Q6_K', 'tl-Q8_0'].flatMap(
    (model) => [decode(model, 1, '>= 1.5'), decode(model, 2, '>= 1.2')]),
  ...['tl-Q4_0', 'tl-Q4_K_M', 'tl-Q8_0'].map((model) => batch(model, '>= 2.5')),
  clients('tl-Q4_0', '>= 2.5', '<= 0.25'), clients('s15-Q8_0', '>= 3', ''),
  ...['tl-Q4_0', 'tl-Q8_0', 's15-Q8_0'].map((model) => fromStart(model, '<= 0.5')),
  keeper('cold', '<= 1'), keeper('warm', '<= 0.2'),
  ...['tl-Q4_0', 'tl-Q4_K_M', 'tl-Q8_0'].map((model) => resident(model, '<= 1.15')),
  prefix('tl-Q4_0', 512),
  ...['tl-Q4_0', 's15-Q8_0'].flatMap((model) => [gateway(model, 1), gateway(model, 16)]),
  download('tl-Q4_0'),
  prefill('tiny', 128, ''), decode('tiny', 2, '', { gen: 128, cached: true }),
  depth('tl-Q4_0', 1900, ''), depth('qw05-Q4_0', 4096, ''), depth('qw05-Q4_0', 32000, ''),
  busy('tl-Q4_0'),
];
