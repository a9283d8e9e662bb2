//! The screens, one folder for each area.

mod add;
mod app;
mod dashboard;
mod form;
mod login;
mod not_found;
mod system;
mod trash;

pub(crate) use add::{add, setup};
pub(crate) use app::app;
pub(crate) use dashboard::dashboard;
pub(crate) use login::login;
pub(crate) use not_found::not_found;
pub(crate) use system::system;
pub(crate) use trash::trash;
