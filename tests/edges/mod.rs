//! Each outside service against its double, over real sockets.
