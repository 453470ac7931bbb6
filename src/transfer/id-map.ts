/** A map from ids to ids that needs 8 bytes for each, so that a million groups fit in memory. */
export type IdMap = ReturnType<typeof createIdMap>;

const initialCapacity = 1024;

/** Creates an empty map. Keys must be added in ascending order, as the records of a file are. */
export function createIdMap() {
  let keys = new Int32Array(initialCapacity);
  let values = new Int32Array(initialCapacity);
  let size = 0;

  return {
    get size(): number {
      return size;
    },

    add(key: number, value: number): void {
      if (size === keys.length) {
        keys = enlarge(keys);
        values = enlarge(values);
      }
      keys[size] = key;
      values[size] = value;
      size++;
    },

    /** Binary search. */
    get(key: number): number | undefined {
      let low = 0;
      let high = size;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (keys[middle]! < key) low = middle + 1;
        else high = middle;
      }
      return low < size && keys[low] === key ? values[low] : undefined;
    },

    /** In the order of the keys. */
    *entries(): Generator<readonly [key: number, value: number]> {
      for (let index = 0; index < size; index++) yield [keys[index]!, values[index]!];
    },
  };
}

function enlarge(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
