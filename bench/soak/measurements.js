// What the soak test measures: times of requests by kind and minute, and samples of the processes and the database.
import { readdirSync } from 'node:fs';
import { createHistogram } from 'node:perf_hooks';

const sampleMs = 5000;
/** Times are recorded in microseconds, with two significant digits, up to two minutes. */
const histogramOptions = { lowest: 1, highest: 120_000_000, figures: 2 };

/** Opens an empty record of times by kind and minute. Its memory does not grow with the number of requests. */
export function createTimes() {
  const minutes = [];
  const startedAt = performance.now();
  return {
    record(kind, ms) {
      const minute = Math.floor((performance.now() - startedAt) / 60_000);
      const byKind = (minutes[minute] ??= new Map());
      if (!byKind.has(kind)) byKind.set(kind, createHistogram(histogramOptions));
      byKind.get(kind).record(Math.max(1, Math.round(ms * 1000)));
    },
    /** Summaries in milliseconds: of all requests, by kind, by minute, and by minute and kind. */
    summarize() {
      const all = createHistogram(histogramOptions);
      const kinds = new Map();
      const byMinute = Array.from(minutes, (byKind = new Map()) => {
        const ofMinute = createHistogram(histogramOptions);
        for (const [kind, histogram] of byKind) {
          if (!kinds.has(kind)) kinds.set(kind, createHistogram(histogramOptions));
          for (const sum of [all, ofMinute, kinds.get(kind)]) sum.add(histogram);
        }
        return { ...summarize(ofMinute), kinds: summarizeEach(byKind) };
      });
      return { all: summarize(all), kinds: summarizeEach(kinds), minutes: byMinute };
    },
  };
}

const summarizeEach = (histograms) =>
  Object.fromEntries([...histograms].map(([kind, histogram]) => [kind, summarize(histogram)]));

function summarize(histogram) {
  const at = (percent) => (histogram.count === 0 ? null : histogram.percentile(percent) / 1000);
  return { count: histogram.count, p50: at(50), p95: at(95), p99: at(99), max: at(100) };
}

/** Samples processes and the database every five seconds until `stop()`, which returns all samples. */
export function startSampling({ database, servers, pooler, proxy }, client) {
  const startedAt = performance.now();
  const samples = [];
  const before = readCpu();
  let pending = Promise.resolve();

  function readCpu() {
    return {
      servers: servers.reduce((sum, server) => sum + server.cpuSeconds(), 0),
      PostgreSQL: database.cpuSeconds(),
      PgBouncer: pooler.cpuSeconds(),
      HAProxy: proxy.cpuSeconds(),
      'load generator': (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
    };
  }
  const sample = async () => {
    const seconds = (performance.now() - startedAt) / 1000;
    const [row] = await database.sql(
      `SELECT pg_database_size(current_database())::float8 / 1e6 AS "databaseMb",
         (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections`,
    );
    samples.push({
      seconds,
      memoryMb: servers.map((server) => server.memoryMb()),
      openFiles: servers.map(({ pid }) => readdirSync(`/proc/${pid}/fd`).length),
      clientConnections: client.connectionCount(),
      waiting: client.queueLength(),
      ...row,
    });
  };
  const timer = setInterval(() => (pending = pending.then(sample).catch(() => undefined)), sampleMs);
  return {
    async stop() {
      clearInterval(timer);
      await pending;
      const seconds = (performance.now() - startedAt) / 1000;
      const cores = Object.entries(readCpu()).map(([name, value]) => [
        name,
        (value - before[name]) / seconds,
      ]);
      return { samples, cores: Object.fromEntries(cores), seconds };
    },
  };
}

/**
 * Returns the slope of a value over the samples in the second half of the time, in units an hour, by least squares;
 * null if there are fewer than three samples.
 */
export function slopeOf(samples, read) {
  const last = samples.at(-1)?.seconds ?? 0;
  const points = samples.filter(({ seconds }) => seconds >= last / 2);
  if (points.length < 3) return null;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanTime, meanValue] = [mean(points.map(({ seconds }) => seconds)), mean(points.map(read))];
  const covariance = mean(points.map((point) => (point.seconds - meanTime) * (read(point) - meanValue)));
  const variance = mean(points.map(({ seconds }) => (seconds - meanTime) ** 2));
  return (covariance / variance) * 3600;
}
