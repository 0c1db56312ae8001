# Prints the time in the zone that the query names, as in time.sh?Asia/Tokyo.
echo 'Content-Type: text/plain'
echo 'Cache-Control: no-store'
echo
TZ=$QUERY_STRING date '+%H:%M %Z'
