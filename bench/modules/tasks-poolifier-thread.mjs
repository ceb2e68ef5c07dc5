/** The tasks, as poolifier wants them in a thread. */

import { ThreadWorker } from 'poolifier';
import * as tasks from './tasks.mjs';

export default new ThreadWorker({ ...tasks });
