// Shows what the data provider answers. The access token stays at nginx.
const place = document.getElementById('data');
const NAMES = { fournisseur: 'Fournisseur', valeur: 'Quotient familial', annee: 'Année', mois: 'Mois' };

function table(caption, rows) {
  const element = document.createElement('table');
  element.createCaption().textContent = caption;
  for (const [name, label, value] of rows) {
    const row = element.insertRow();
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = label;
    const cell = document.createElement('td');
    cell.dataset.name = name;
    cell.textContent = value;
    row.append(head, cell);
  }
  const frame = document.createElement('div');
  frame.className = 'demo-table';
  frame.append(element);
  return frame;
}

const answer = await fetch('/franceconnect/api/quotient-familial');
if (answer.ok) {
  const { data: { quotient_familial: quotient, enfants = [] } } = await answer.json();
  const rows = Object.entries(NAMES).map(([name, label]) => [name, label, quotient[name]]);
  place.replaceChildren(table('Transmis par API Particulier', [...rows, ['enfants', 'Enfants', enfants.length]]));
} else {
  place.textContent = 'Les données n’ont pas pu être récupérées. Réessayez dans un instant.';
}
