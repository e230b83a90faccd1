#!/bin/sh
# Initiates the replica set of cluster.yaml, and creates Storyfeed's user. It can run repeatedly.
set -eu

# A member's certificate has all rights.
shell() {
    mongosh --quiet --tls --tlsCAFile /run/secrets/ca --tlsCertificateKeyFile /run/secrets/mongo-1 \
        --authenticationMechanism MONGODB-X509 --authenticationDatabase "\$external" "$@"
}

shell "mongodb://mongo-1/?directConnection=true" --eval '
const members = [1, 2, 3].map((number, _id) => ({ _id, host: `mongo-${number}:27017` }));
try { rs.status() } catch (error) { rs.initiate({ _id: "rs0", members }) }
while (!db.hello().primary) sleep(200);'

shell "mongodb://mongo-1,mongo-2,mongo-3/?replicaSet=rs0" --eval '
const password = require("fs").readFileSync("/run/secrets/mongodb_password", "utf8").trim();
const admin = db.getSiblingDB("admin");
// dbAdmin has collMod, with which a consumer changes the expiry of the history.
const roles = ["readWrite", "dbAdmin"].map((role) => ({ role, db: "storyfeed" }));
if (admin.getUser("storyfeed")) admin.updateUser("storyfeed", { pwd: password, roles });
else admin.createUser({ user: "storyfeed", pwd: password, roles });'
