//! How figures over time become lines, bars and axes: pure arithmetic, tested without a browser. Everything is drawn
//! in a box of [`WIDTH`] by [`HEIGHT`] that is stretched to where it stands, so that coordinates are whole numbers.

mod axis;
mod line;
mod marks;
mod series;

pub(crate) use axis::{Axis, cpu_axis, memory_axis, time_ticks};
pub(crate) use line::{Curve, Frame, area, line};
pub(crate) use marks::{Mark, Stretch, marks};
pub(crate) use series::{Series, length};

/// The width of the box.
pub(crate) const WIDTH: i32 = 2000;

/// The height of the box.
pub(crate) const HEIGHT: i32 = 400;
