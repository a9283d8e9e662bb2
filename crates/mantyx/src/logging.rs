//! The daemon's own log, on standard error: what its manager keeps is not a concern of ours.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use mantyx_core::{Error, Result};
use mantyx_settings::{LogFormat, LogLevel, Settings};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// How the target of every message of Mantyx begins.
const OURS: &str = "mantyx";

/// Begins to log as the settings say. Panics go to the log too.
pub(crate) fn begin(settings: &Settings) -> Result<()> {
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match settings.log_format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter(settings.log_level)));
    subscriber.try_init().map_err(|error| Error::internal("begin to log", error))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// What libraries say is heard only from a warning on, unless everything is wanted.
fn filter(level: LogLevel) -> Targets {
    let (ours, others) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Targets::new().with_default(others).with_target(OURS, ours)
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, message = info.payload_as_str().unwrap_or("no message"), "A thread panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_are_quieter_than_mantyx() {
        let filter = filter(LogLevel::Info);
        assert!(filter.would_enable("mantyx_api::server", &Level::INFO));
        assert!(!filter.would_enable("mantyx_api::server", &Level::DEBUG));
        assert!(!filter.would_enable("actix_server::builder", &Level::INFO));
        assert!(filter.would_enable("actix_server::builder", &Level::WARN));
    }
}
