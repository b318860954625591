// Package memory keeps everything in the memory of one process: for tests, rehearsals, and programs that need a budget
// but not a file.
//
// One [Store] may serve several trackers at once, as one database serves several processes. What a process's death
// would do, [Store.Kill] does to one owner. When the program ends, all is gone.
package memory
