/** A JSON-RPC echo with jayson's server. */

import jayson from 'jayson';

const server = new jayson.Server({ echo: (params, done) => done(null, params) });
server.http().listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
