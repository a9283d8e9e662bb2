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
//! | `source` | what a source declares (`pyproject`, `poetry`, `inline`, `pylock`, `requirements` read the formats) |
//! | `requires` | which Pythons will do |
//! | `pythons` | a Python that was not there |
//! | `plan` | what is to be built, with what |
//! | `lock` | what was resolved, as text |
//! | `locked` | the same once more |
//! | `provenance` | where it all comes from |
//! | `commands` | the command lines that do it |
//! | `variables` | the environment variables that package tools get |
//! | `build` | the doing; `compile.py` is its last process |
//! | `workspace` | where it is done |
//! | `wheels` | what pip needs to do it without a network |
//! | `records` | what is under way, should the daemon be killed |
//! | `installed` | what came of it |
//! | `declared`, `outdated` | what of it was asked for, and what has a newer version |
//! | `failure` | why nothing came of it |
//! | `fingerprint` | whether two plans ask for the same |

mod build;
mod commands;
mod declared;
mod failure;
mod fingerprint;
mod inline;
mod installed;
mod lock;
mod locked;
mod outdated;
mod pip_settings;
mod plan;
mod poetry;
mod provenance;
mod pylock;
mod pyproject;
mod pythons;
mod records;
mod requirements;
mod requires;
mod source;
mod tools;
mod uv_table;
mod variables;
mod wheels;
mod workspace;

pub use build::{BuildLimits, Built, build};
pub use declared::Declared;
pub use lock::{Lock, Locked, Pin, Resolved};
pub use locked::plan_locked;
pub use outdated::{Outdated, outdated};
pub use plan::{Builder, Dependencies, Network, Plan, ProjectInstall, plan};
pub use pythons::{PythonDownloads, with_python};
pub use records::end_orphans;
pub use requires::check_requires;
pub use source::Source;
pub use tools::{OutOfReach, Python, Tools, Uv, discover, fetch_uv};

/// What calls a build off.
pub use tokio_util::sync::CancellationToken;
