// Compares two reports: the same label first, scores within 0.05 of the largest score.
import { readFileSync } from "node:fs";

const [a, b] = process.argv.slice(2).map((f) => JSON.parse(readFileSync(f)));
const one = a.labels, two = b.labels ?? b.report?.labels;
const largest = Math.max(...two.map((l) => Math.abs(l.score)));
const scores = new Map(two.map((l) => [l.index, l.score]));
const far = one.filter((l) => scores.has(l.index) && Math.abs(l.score - scores.get(l.index)) > 0.05 * largest);
console.log(`  ${one[0].label} ${one[0].score}; native ${two[0].label} ${two[0].score}, ${b.total.seconds.toFixed(2)} s`);
if (one[0].index !== two[0].index || far.length > 0) {
  console.log("  not the answer of a native client");
  process.exit(4);
}
