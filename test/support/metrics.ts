/** The samples of metrics in a text format, by series: the name with its labels, as the text has them. */
export type Samples = ReadonlyMap<string, number>;

/** Parses metrics as text. */
export function parseMetrics(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))] as const;
    }),
  );
}

/** Reads the metrics of a server. */
export async function readMetrics(url: string): Promise<Samples> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return parseMetrics(await response.text());
}

/** The families of metrics in a text, by name, with their type. */
export function familiesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name, type]) => [name!, type!]));
}

/** The names of metrics in PromQL, without the suffixes of a histogram. */
export function metricNamesIn(promql: string): string[] {
  const names = [...promql.matchAll(/\b(?:group_api|process|nodejs)_\w+/g)].map(([name]) => name);
  return [...new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')))];
}

/** Finds the URL of the metrics in the log of a server process. */
export function findMetricsUrl(log: string): string | undefined {
  return /"url":"(http:[^"]+\/metrics)"/.exec(log)?.[1];
}
