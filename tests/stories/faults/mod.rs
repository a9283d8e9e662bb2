//! Faults that are survived with nothing lost: a daemon or a monitor that is killed, apps that misbehave in every way
//! that is known, disks that are full.
//!
//! Each story ends with [`scene::Scene::end`], which stops every app and finds no process of any of them alive. All
//! faults are bounded and end by themselves: fewer than 100 processes, 200 MB of memory, 300 MB of disk.

mod care;
mod daemon;
mod disk;
mod endings;
mod floods;
mod lines;
mod monitor;
mod privileges;
mod resources;
mod sagas;
mod scene;
mod shutdown;
mod stops;
mod strangers;
