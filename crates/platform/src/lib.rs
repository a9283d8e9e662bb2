//! The only door to processes and files.
//!
//! Everything that can go half wrong on a machine is done here once: a file that appears whole or not at all, a
//! tree that is removed whatever its permissions, a link that switches in one step, a process that inherits
//! nothing by accident and takes its children with it. The engines say what they want; this crate knows how.
//!
//! | module | noun |
//! |---|---|
//! | [`atomic`] | a file that is whole |
//! | [`folders`] | a tree of files |
//! | [`reading`] | a tree that is read while somebody writes to it |
//! | [`owned`] | a folder that somebody else owns |
//! | [`ownership`] | a tree that changes hands |
//! | [`scratch`] | a folder for a while |
//! | [`lock`] | a folder that is ours |
//! | [`ports`] | who listens where |
//! | [`environment`] | the variables that a child gets |
//! | [`identity`] | as whom apps run |
//! | [`process`] | a child process |
//! | [`programs`] | a program on the search path |
//! | [`usage`] | what a tree of processes uses |

mod accounts;
pub mod atomic;
pub mod environment;
pub mod folders;
pub mod identity;
pub mod lock;
pub mod owned;
pub mod ownership;
pub mod ports;
pub mod process;
pub mod programs;
pub mod reading;
pub mod scratch;
mod tree;
pub mod usage;
