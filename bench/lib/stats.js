'use strict';
/*
 * stats.js - medians, spreads, and pairs.
 *
 * Two programs are compared pair by pair: what they did one after the other in the same minute. The
 * median of the pairs' ratios says more than the ratio of two medians on a machine that changes its
 * speed while one measures.
 */
function median(values) {
  const v = [...values].sort((a, b) => a - b);
  if (!v.length) return NaN;
  const half = v.length >> 1;
  return v.length % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}

/* { median, min, max } of numbers. */
function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/* A target as people write it, '>= 2.5' or '<= 0.5'. */
function meets(target, value) {
  const [, sign, bound] = /^([<>]=) *([\d.]+)$/.exec(target);
  return sign === '>=' ? value >= Number(bound) : value <= Number(bound);
}

/*
 * samples: one object a pair, { rbee: number, <peer>: number ... }; `better` is 'more' or 'less'. The
 * peer of a pair is the best of its peers. The row's peer is named after the one that was best most
 * often. Without any peer there are only our own figures.
 */
function compare(samples, better) {
  const alone = { pairs: samples.length, rbee: spread(samples.map((s) => s.rbee)) };
  if (Object.keys(samples[0]).length === 1) return alone;
  const best = samples.map((sample) => Object.entries(sample)
    .filter(([name]) => name !== 'rbee')
    .reduce((a, b) => ((better === 'more' ? b[1] > a[1] : b[1] < a[1]) ? b : a)));
  const wins = {};
  for (const [name] of best) wins[name] = (wins[name] || 0) + 1;
  return {
    ...alone,
    peerName: Object.entries(wins).sort((a, b) => b[1] - a[1])[0][0],
    peer: spread(best.map(([, value]) => value)),
    ratio: spread(samples.map((s, i) => s.rbee / best[i][1])),
  };
}

module.exports = { median, spread, compare, meets };
