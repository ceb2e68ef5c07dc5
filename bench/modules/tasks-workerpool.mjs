/** The tasks, as workerpool wants them registered. */

import { worker } from 'workerpool';
import * as tasks from './tasks.mjs';

worker({ ...tasks });
