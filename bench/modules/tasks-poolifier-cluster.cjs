/** The tasks, as poolifier wants them in a process. */

// CommonJS: on Node 20, an ES module is loaded too late for the first message to a cluster process, which poolifier
// needs.
const { ClusterWorker } = require('poolifier');
const tasks = require('./tasks.mjs');

module.exports = new ClusterWorker({ ...tasks });
