// A minimal node:http server, which sends the same body to every request. Prints its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const body = readFileSync(process.argv[2]);
const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length };
let sockets = 0;
const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  request.resume();
  if (request.url === '/sockets') return void response.end(String(sockets));
  response.writeHead(200, headers);
  response.end(body);
});
server.on('connection', () => {
  sockets += 1;
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
