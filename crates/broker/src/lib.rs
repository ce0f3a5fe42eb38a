//! doorward broker.
