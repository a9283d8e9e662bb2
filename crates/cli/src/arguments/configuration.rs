//! What can be typed about the configuration of an app.

use clap::Args;
use mantyx_core::AppName;

use crate::values::{PolicyChoice, variable, web_port};

/// What goes along with new code. As a group it can be excluded as a whole.
#[derive(Clone, Debug, Args)]
#[group(id = "configuration", multiple = true)]
pub(crate) struct ConfigurationArgs {
    /// What is started: `main.py`, `-m package`, a console script or a command line
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) entrypoint: Option<String>,
    /// An argument for the entrypoint; may be repeated
    #[arg(long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
    /// An environment variable; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// The port of its own web page, or `auto`
    #[arg(long, value_name = "PORT", value_parser = web_port)]
    pub(crate) web_port: Option<serde_json::Value>,
    /// Which exits of a perpetual app lead to another start
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) restart_policy: Option<PolicyChoice>,
    /// Which Pythons will do, such as `>=3.11`
    #[arg(long, value_name = "CONSTRAINT")]
    pub(crate) python: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SetArgs {
    /// The app's name
    pub(crate) app: AppName,
    /// A field and its value, such as `limits.memory=256MiB` or `env.CITY=Berlin`; without a value the field has its
    /// default again
    #[arg(required = true, value_name = "FIELD=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Start the app anew with it, and go back when it does not become well
    #[arg(long)]
    pub(crate) restart: bool,
}
