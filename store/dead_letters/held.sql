-- Which legal holds keep these letters: by their job, or by what their job wrote into the integration log, as the
-- cleanup sees it. What stands in the brackets is each backend's word for the ids in $1, a JSON array.
SELECT t.job_id AS job_id, h.scope AS scope, h.key AS key
FROM dead_letters t
JOIN legal_holds h
  ON (h.scope = 'job' AND h.key = t.job_id)
  OR EXISTS (
      SELECT 1 FROM integration_logs g
      WHERE g.job_id = t.job_id
        AND ((h.scope = 'organizer' AND h.key = g.organizer_id)
          OR (h.scope = 'booking' AND h.key = g.booking_id)
          OR (h.scope = 'integration' AND h.key = g.integration_id)))
WHERE t.job_id IN (/*ids*/)
ORDER BY t.job_id, h.scope, h.key
