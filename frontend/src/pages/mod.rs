//! The screens, one folder for each area.

mod add;
mod app;
mod changes;
mod credential;
mod dashboard;
mod form;
mod later;
mod login;
mod newer;
mod not_found;
mod system;
mod trash;

use add::{add, setup};
use app::app;
use system::system;
use trash::trash;

pub(crate) use dashboard::dashboard;
pub(crate) use later::later;
pub(crate) use login::login;
pub(crate) use not_found::not_found;
