/*
 * peer-node.mjs - how fast node-llama-cpp (the npm package) is with a model: one line of JSON.
 *
 *   node peer-node.mjs PACKAGE-FOLDER MODEL.gguf THREADS PROMPT-TOKENS GENERATED-TOKENS REPEATS
 *
 * The folder is the one with node_modules in it; the package is never a dependency of this project.
 * Prompts are random tokens, evaluated in one batch as llama.cpp's own llama-bench does; generation
 * is one sequence from an empty context, the tokens given, the sampler greedy. The
 * first round is thrown away.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, modelPath, ...numbers] = process.argv.slice(2);
const [threads, promptTokens, genTokens, repeats] = numbers.map(Number);
const entry = path.join(path.resolve(folder), 'node_modules/node-llama-cpp/dist/index.js');
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry));

const llama = await getLlama({
  gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error, progressLogs: false,
});
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({
  contextSize: Math.max(promptTokens + genTokens, 256),
  batchSize: Math.max(promptTokens, 32),
  threads: { ideal: threads, min: threads },
  sequences: 1,
});
const sequence = context.getSequence();
const nVocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const randomToken = () => Math.floor(Math.random() * nVocab);

async function prefill() {
  await sequence.clearHistory();
  const tokens = Array.from({ length: promptTokens }, randomToken);
  const began = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(tokens);
  return promptTokens / (performance.now() - began) * 1000;
}

/* Scores are computed, and the likeliest token is looked for; what it is does not matter. */
const greedy = { generateNext: { token: true, options: { temperature: 0 } } };

async function decode() {
  await sequence.clearHistory();
  const began = performance.now();
  for (let i = 0; i < genTokens; i++) {
    await sequence.controlledEvaluate([[randomToken(), greedy]]);
  }
  return genTokens / (performance.now() - began) * 1000;
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
async function rounds(measure) {
  await measure();
  const all = [];
  for (let i = 0; i < repeats; i++) all.push(await measure());
  return median(all);
}

const out = { batch: context.batchSize };
if (promptTokens) out.prefill_tokens_per_sec = await rounds(prefill);
if (genTokens) out.decode_tokens_per_sec = await rounds(decode);
console.log(JSON.stringify(out));
process.exit(0);
