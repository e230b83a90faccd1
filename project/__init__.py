"""The Storyfeed project: settings, addresses and the stack that it runs on."""
