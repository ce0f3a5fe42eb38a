//! The gateway as a whole, over its real sockets, with a stand-in for the broker.

mod agents;
mod ends;
mod explain;
mod exports;
mod fake_broker;
mod floods;
mod house;
mod jobs;
mod lines;
mod lists;
mod retention;
mod room;
mod runs;
mod stdin;
mod strangers;
mod waiting;
mod words;
