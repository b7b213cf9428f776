//! How a service that uses flags is tested.
//!
//! ```console
//! $ cargo run --example testing --features testing
//! ```

use flagstaff::{Context, Flags, testing::with_overrides};

/// The code under test.
fn shipping_cost(flags: &Flags, user: &str) -> u32 {
    if flags.is_enabled("free_shipping", &Context::user(user)) { 0 } else { 499 }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Flags without files, runtime or network.
    let flags = Flags::for_test().on("free_shipping").start();
    assert_eq!(shipping_cost(&flags, "ana"), 0);

    let flags = Flags::for_test().on_for("free_shipping", "ana").start();
    assert_eq!(shipping_cost(&flags, "ana"), 0);
    assert_eq!(shipping_cost(&flags, "bob"), 499);

    // An override for one future. Tests that run at the same time do not notice.
    let overridden =
        with_overrides([("free_shipping", true)], async { shipping_cost(&flags, "bob") });
    assert_eq!(overridden.await, 0);
    assert_eq!(shipping_cost(&flags, "bob"), 499);
}
