// Preloaded into a server: measures how long its event loop is blocked. Each turn of the loop is measured by the CPU time
// of the process, which other programs do not change, and by the clock.
let longest = { cpuMs: 0, wallMs: 0 };
let cpu = process.cpuUsage();
let startedAt = performance.now();

function measureTurn() {
  const used = process.cpuUsage(cpu);
  const now = performance.now();
  const cpuMs = (used.user + used.system) / 1000;
  if (cpuMs > longest.cpuMs) longest = { cpuMs, wallMs: now - startedAt };
  cpu = process.cpuUsage();
  startedAt = now;
  // Keeps the loop turning, so that it never waits within a turn.
  setImmediate(measureTurn);
}
measureTurn();

/** Sends the longest turn since the last message. */
process.on('message', () => {
  process.send(longest);
  longest = { cpuMs: 0, wallMs: 0 };
});
