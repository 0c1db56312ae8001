// Package lesson holds the programs of docs/lesson.md, one in each folder, and the test that
// follows the lesson and compares what it shows with what happens.
package lesson
