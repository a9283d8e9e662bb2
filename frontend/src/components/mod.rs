//! The pieces that screens are made of. A component is a function from values and signals to a view; it calls
//! nothing of the API.

mod action;
mod badge;
mod copy_field;
mod dialog;
mod dynamic;
mod field;
mod file_drop;
mod icon;
mod last_lines;
mod log_model;
mod log_rows;
mod log_search;
mod log_tools;
mod log_view;
mod notice;
mod operation;
mod plot;
mod question;
mod segmented;
mod skeleton;
mod sparkline;
mod timeline;
mod toast;

pub(crate) use action::{Look, action_button, offered};
pub(crate) use badge::{health_badge, outcome, state_line, type_word, warning_mark};
pub(crate) use copy_field::copy_field;
pub(crate) use dialog::{Dialog, dialog};
pub(crate) use dynamic::{IntoViews, dynamic, keyed};
pub(crate) use field::{InputStyle, SelectField, TextField, name_field, select_field, text_field};
pub(crate) use file_drop::{FileDrop, file_drop};
pub(crate) use icon::{Icon, icon, logo};
pub(crate) use last_lines::last_lines;
pub(crate) use log_view::{LogView, log_view};
pub(crate) use notice::{failure_notice, form_notice, notice, prose};
pub(crate) use operation::operation_steps;
pub(crate) use plot::{Picture, Plot, plot};
pub(crate) use question::{AnswerButton, Question, question};
pub(crate) use segmented::{Choice, Segmented, segmented};
pub(crate) use skeleton::{empty, skeleton};
pub(crate) use sparkline::{Measure, sparkline};
pub(crate) use timeline::timeline;
pub(crate) use toast::toasts;
