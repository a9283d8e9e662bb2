//! Plans and builds the Python environment of a release.
//!
//! Deciding and doing are apart. [`Source::read`] looks at what the source declares, [`plan`] is a pure function
//! from that and the tools of this machine to a [`Plan`], and [`build`] carries it out. Nothing of the app is
//! imported or run inside the daemon: builds happen in processes of the package tools.
//!
//! An environment holds absolute paths, so it is built where it stays and never moved. A build that fails or is
//! cancelled leaves nothing there. The source stays as it is: a source that can build packages of its own is
//! copied first, because build backends write beside what they build.
//!
//! A build runs code of strangers (PEP 517), so all of it happens as the user that the app runs as: the environment,
//! the copy of the source, the home and the cache of a build belong to that user. Each user has a cache of its own.
//! uv links files from the cache into environments, and a file has one owner: in a shared cache one user could change
//! the packages of all others, or, where the kernel forbids to link what is not one's own (`protected_hardlinks`,
//! proc(5)), nothing could be linked.
//!
//! | module | noun |
//! |---|---|
//! | `tools` | the Pythons and the uv of this machine |
//! | `source` | what a source declares (`pyproject`, `poetry`, `inline`, `pylock` read the formats) |
//! | `requires` | which Pythons will do |
//! | `plan` | what is to be built, with what |
//! | `commands` | the command lines that do it |
//! | `variables` | the environment variables that package tools get |
//! | `build` | the doing |
//! | `workspace` | where it is done |
//! | `installed` | what came of it |
//! | `failure` | why nothing came of it |

mod build;
mod commands;
mod failure;
mod inline;
mod installed;
mod pip_settings;
mod plan;
mod poetry;
mod pylock;
mod pyproject;
mod requires;
mod source;
mod tools;
mod variables;
mod workspace;

pub use build::{BuildLimits, Built, build};
pub use plan::{Builder, Dependencies, Plan, ProjectInstall, plan};
pub use requires::check_requires;
pub use source::Source;
pub use tools::{OutOfReach, Python, Tools, Uv, discover, fetch_uv};

/// What calls a build off.
pub use tokio_util::sync::CancellationToken;
