DROP TABLE video_integrations;
DROP TABLE calendar_integrations;
