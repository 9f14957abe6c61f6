-- A copy of the database can text nobody and nobody can speak to it as a gateway.
UPDATE sms_gateway
   SET state = CASE WHEN code = 'sandbox' THEN state ELSE 'disabled' END,
       webhook_token = NULL,
       webhook_digest = NULL;
UPDATE sms_gateway_device
   SET token = NULL,
       token_digest = NULL,
       secret = NULL,
       basic_user = NULL,
       basic_password = NULL;
