//! Identities that never change, whatever a thing is called. All are UUIDs of version 7 (RFC 9562), which sort
//! by the time that they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = Uuid))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id, later in order than every id made before it.
            #[cfg(not(target_arch = "wasm32"))]
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The sixteen bytes.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(/** An app, under whatever name. */ AppId);
id!(/** One immutable release of an app. */ ReleaseId);
id!(/** One built Python environment. */ EnvironmentId);
id!(/** One immutable revision of a configuration. */ RevisionId);
id!(/** What runs: an app has exactly one for now. */ InstanceId);
id!(/** One process from start to exit. */ ExecutionId);
id!(/** What holds one execution: its control groups, or its scope. */ ConfinementId);
id!(/** One long piece of work that a person asked for. */ OperationId);
id!(/** One backup of an app. */ BackupId);
id!(/** One schedule of an instance. */ ScheduleId);
id!(/** One access token. */ TokenId);

/// Of an execution that was given none that was waiting for one.
impl From<ExecutionId> for ConfinementId {
    fn from(execution: ExecutionId) -> Self {
        Self(execution.0)
    }
}
