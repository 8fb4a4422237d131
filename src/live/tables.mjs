// Tables of the live page: heads that sort, and rows that are used again.

import { element, setText } from './elements.mjs';

/** By a number, the largest first; what is not known comes last. */
export const byNumber = (numberOf) => (a, b) => (numberOf(b) ?? -1) - (numberOf(a) ?? -1);

/** The heads of a table, some of which are buttons that say by what it is sorted. */
export class Heads {
  /** @param columns `{ head, class, compare }`; one that compares can be sorted by */
  constructor(columns, sort, onSort) {
    this.sort = sort;
    this.isReversed = false;
    this.columns = columns;
    this.cells = columns.map((column) => {
      const cell = element('th', { scope: 'col', class: column.class ?? '' });
      if (column.compare === undefined || sort === undefined) cell.append(column.head);
      else {
        const button = element('button', { type: 'button' }, column.head);
        button.addEventListener('click', () => {
          this.isReversed = column === this.sort && !this.isReversed;
          this.sort = column;
          this.#mark();
          onSort();
        });
        cell.append(button);
      }
      return cell;
    });
    this.root = element('thead', {}, element('tr', {}, ...this.cells));
    this.#mark();
  }

  compare(a, b) {
    return (this.isReversed ? -1 : 1) * this.sort.compare(a, b);
  }

  #mark() {
    for (const [index, column] of this.columns.entries()) {
      const cell = this.cells[index];
      const button = cell.querySelector('button');
      if (button === null) continue;
      const isSorted = column === this.sort;
      if (isSorted) cell.setAttribute('aria-sort', this.isReversed ? 'ascending' : 'descending');
      else cell.removeAttribute('aria-sort');
      setText(button, isSorted ? `${column.head} ${this.isReversed ? '▲' : '▼'}` : column.head);
    }
  }
}

/** A table of workers that uses its rows again at each drawing. */
export class WorkerTable {
  /** @param columns as of {@link Heads}, and `text`, `isLong` */
  constructor(root, caption, columns, sort, onSort) {
    this.columns = columns;
    this.heads = new Heads(columns, sort, onSort);
    this.body = element('tbody');
    root.append(element('caption', {}, caption), this.heads.root, this.body);
  }

  show(rows, empty) {
    const wanted = Math.max(1, rows.length);
    while (this.body.rows.length > wanted) this.body.rows[this.body.rows.length - 1].remove();
    while (this.body.rows.length < wanted) this.body.append(element('tr'));
    if (rows.length === 0) {
      const cell = element('td', { class: 'note', colspan: this.columns.length }, empty);
      this.body.rows[0].className = '';
      this.body.rows[0].replaceChildren(cell);
      return;
    }
    for (const [index, row] of rows.entries()) this.#showRow(this.body.rows[index], row);
  }

  #showRow(target, row) {
    if (target.cells.length !== this.columns.length)
      target.replaceChildren(
        ...this.columns.map((column) => element('td', { class: column.class ?? '' }, element('bdi'))),
      );
    target.className = row.worker.state === 'Idle' ? 'idle' : '';
    for (const [index, column] of this.columns.entries()) {
      const cell = target.cells[index];
      setText(cell.firstElementChild, column.text(row));
      if (column.isLong !== undefined) cell.classList.toggle('long', column.isLong(row));
    }
  }
}
