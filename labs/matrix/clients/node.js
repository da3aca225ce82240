// SPDX-License-Identifier: MIT
// Reads lines "URL TRUST" and fetches each page, with a connection of its own.
const fs = require('fs');
const https = require('https');

function visit(url, trust) {
  return new Promise((done) => {
    const wish = { ca: fs.readFileSync(trust), agent: false, timeout: 5000 };
    const request = https.get(url, wish, (answer) => {
      answer.resume();
      answer.on('end', () => done('ok'));
      answer.on('error', (error) => done(error.message));
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => done(error.message));
  });
}

async function main() {
  for (const line of fs.readFileSync(0, 'utf8').trim().split('\n')) {
    const said = await visit(...line.split(' '));
    console.log(said.replace(/\n/g, ' '));
  }
}
main();
