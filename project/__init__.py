"""The Storyfeed project: settings, URLs, and the services that it runs on."""
