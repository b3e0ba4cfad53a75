//! What clients and operators notice of the server.
