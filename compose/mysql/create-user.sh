# shellcheck shell=bash
# The image of MySQL runs this file once, when its volume is empty. Unlike the image's own
# MYSQL_USER, this file allows every character in the password. Spaces around the password are
# ignored, as in Storyfeed's settings.
read -r password </run/secrets/database_password || true
password=${password//\\/\\\\}
password=${password//\'/\\\'}
docker_process_sql --database=mysql <<SQL
CREATE USER 'storyfeed'@'%' IDENTIFIED BY '$password';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO 'storyfeed'@'%';
SQL
