//! The keys of a test.

/// The key of a flag that has its tests.
pub(in crate::definition) const TESTS: &str = "tests";

pub(super) const NAME: &str = "name";
pub(super) const USER: &str = "user";
pub(in crate::definition) const GROUPS: &str = "groups";
pub(in crate::definition) const ATTRIBUTES: &str = "attributes";
pub(in crate::definition) const TIME: &str = "time";
pub(in crate::definition) const EXPECT: &str = "expect";

/// The keys of a test, with their descriptions in editors.
pub(in crate::definition) const KEYS: &[(&str, &str)] = &[
    (NAME, "The name of the test, which is shown if it fails."),
    (USER, "The targeting key. Without it, the user is anonymous."),
    (GROUPS, "The groups of the user."),
    (ATTRIBUTES, "The attributes of the user."),
    (TIME, "The time of the evaluation. By default, the time at which the test runs."),
    (EXPECT, "True if the flag has to be on, false if off, or the name of the variant to serve."),
];
