fn page() -> Page {
    if flags.is_enabled("new_checkout", &user) { checkout() } else { old_checkout() }
}

fn price() -> Price {
    if flags.is_enabled("new_pricing", &user) { price() } else { old_price() }
}
