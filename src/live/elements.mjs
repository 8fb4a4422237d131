// Elements of the live page. Texts are only ever set as the text of an element, never as markup.

export function element(name, properties = {}, ...children) {
  return withParts(document.createElement(name), properties, children);
}

export function drawing(name, attributes = {}, ...children) {
  return withParts(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function withParts(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** What stays the same is not touched: a page of many rows is drawn again every two seconds. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Makes `parent` hold these children in this order, and moves those that are not in place already. */
export function setChildren(parent, children) {
  for (const [index, child] of children.entries()) {
    const there = parent.children[index];
    if (there !== child) parent.insertBefore(child, there ?? null);
  }
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}
