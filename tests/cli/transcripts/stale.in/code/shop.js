const newCheckout = client.getBooleanValue(process.env.FEATURE_NEW_CHECKOUT, false);
