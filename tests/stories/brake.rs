//! A build that is held up in its middle for as long as a story wants.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};

/// Waits for as long as the brake is on; when its folder goes, so does it.
const SLOW_SETUP: &str = "
import os, time
from setuptools import setup
open('BRAKE/felt', 'w').close()
while os.path.exists('BRAKE/on'):
    time.sleep(0.05)
setup(name='slow')
";

/// Holds up whoever builds its app.
pub(crate) struct Brake(PathBuf);

impl Brake {
    /// In a folder that the user of a build can write to.
    pub(crate) fn on(mantyx: &TestMantyx) -> Self {
        let folder = mantyx.root().join("brake");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        fs::write(folder.join("on"), "").unwrap();
        Self(folder)
    }

    /// An app that depends on a source distribution, which is not built before the brake is released.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let setup = SLOW_SETUP.replace("BRAKE", &self.0.display().to_string());
        apps::zip(&[("main.py", "print(1)\n"), ("requirements.txt", "./slow\n"), ("slow/setup.py", &setup)])
    }

    /// Waits for the middle of the build. It begins with what is not in the cache yet, so that takes as long as any.
    pub(crate) async fn wait_until_felt(&self) {
        let felt = self.0.join("felt");
        wait_until("the middle of the build", 5 * PATIENCE, async || felt.exists().then_some(())).await;
    }

    pub(crate) fn release(self) {
        fs::remove_file(self.0.join("on")).unwrap();
    }
}
