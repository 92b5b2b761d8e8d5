// The mean and the spread of grids of scores, added one after another.

export type Grid = readonly (readonly (number | null)[])[];

export interface Moments {
  add(values: Grid): void;
  /** The mean of each head's defined scores, null where it has none. */
  mean(): (number | null)[][];
  /** The sample standard deviation of each head's defined scores, null where it has fewer than two. */
  spread(): (number | null)[][];
}

interface Cell {
  count: number;
  mean: number;
  /** Sum of squared distances from the mean. */
  squares: number;
}

export function createMoments(): Moments {
  const cells: Cell[][] = [];
  const map = (value: (cell: Cell) => number | null) => () => cells.map((row) => row.map(value));
  return {
    add(values) {
      values.forEach((row, layer) => {
        const line = cells[layer] ?? [];
        cells[layer] = line;
        row.forEach((value, head) => {
          const cell = line[head] ?? { count: 0, mean: 0, squares: 0 };
          line[head] = cell;
          if (value !== null && Number.isFinite(value)) update(cell, value);
        });
      });
    },
    mean: map(({ count, mean }) => (count > 0 ? mean : null)),
    spread: map(({ count, squares }) => (count > 1 ? Math.sqrt(squares / (count - 1)) : null)),
  };
}

/** Welford's update: sums of squares would lose the digits of a small spread around a large mean. */
function update(cell: Cell, value: number): void {
  cell.count += 1;
  const distance = value - cell.mean;
  cell.mean += distance / cell.count;
  cell.squares += distance * (value - cell.mean);
}
